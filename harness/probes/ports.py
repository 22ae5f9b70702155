"""Three models of the zoo for runtimes that transformers does not write models for: plain functions of arrays.

The weights are those of `zoo.build`, made from the same streams under the same names, without torch. A forward function
uses nothing but the operations that an adapter hands in (`ops`), so that it is compiled by the runtime as its users'
own code is. That a port is right is shown by each row that is timed: it is held against the reference of the ONNX file.

No probe of its own: the adapters use it. numpy is imported where it is used, after the runtime.
"""

import math

from refused import Refused
from zoo import weight

LINEAR, EMBEDDING, NORM = "Linear", "Embedding", "LayerNorm"


def port(manifest, ops, runtime):
    """A model with its weights, for a runtime's operations.

    Returns:
        {name: float32 array}, those of linear layers as (in, out), as runtimes multiply; a function of weights and
        inputs by name that returns a tuple; the names of what it returns.
    """
    if manifest["source"] != "zoo" or manifest["name"] not in PORTS:
        raise Refused("unsupported", "no port of this model to %s" % runtime)
    parts, forward, output = PORTS[manifest["name"]]()
    weights = weights_of(parts, manifest["seed"] or 0)
    return weights, lambda weights, inputs: (forward(ops, weights, inputs),), [output]


def weights_of(parts, seed):
    """The weights, from (module, its class, part, shape): streams go by the names' order, as in `zoo.fill`."""
    import numpy

    named = sorted(("%s.%s" % (module, part), kind, part, shape) for module, kind, part, shape in parts)
    found = {}
    for stream, (name, kind, part, shape) in enumerate(named):
        values = weight(seed, stream, kind, part, shape)
        if part == "weight" and kind in (LINEAR, "Conv2d"):  # a kernel that never overlaps is a linear layer
            values = numpy.ascontiguousarray(values.reshape(shape[0], -1).T)
        found[name] = values
    return found


def layer(module, kind, *shape):
    """Weight and bias of a layer whose weight has this shape."""
    width = shape[1] if kind == "Conv1D" else shape[0]
    return [(module, kind, "weight", shape), (module, kind, "bias", (width,))]


def linear(ops, weights, module, x):
    return ops.matmul(x, weights[module + ".weight"]) + weights[module + ".bias"]


def norm(ops, weights, module, x, epsilon):
    middle = ops.mean(x)
    spread = ops.mean((x - middle) * (x - middle))
    return (x - middle) * ops.rsqrt(spread + epsilon) * weights[module + ".weight"] + weights[module + ".bias"]


def attention(ops, query, key, value, heads, mask=None):
    """All as (tokens, width); `mask` is added to the scores, (heads, tokens, tokens)."""
    tokens, width = query.shape
    part = width // heads
    query, key, value = (ops.transpose(ops.reshape(x, (tokens, heads, part)), (1, 0, 2)) for x in (query, key, value))
    scores = ops.matmul_transposed(query, key) * (1 / math.sqrt(part))
    if mask is not None:
        scores = scores + mask
    return ops.reshape(ops.transpose(ops.matmul(ops.softmax(scores), value), (1, 0, 2)), (tokens, width))


MASKED = -1e30
"""Added to a score, makes its share exactly 0."""


def bert(vocabulary, width, layers, heads, inner, positions):
    parts = [
        ("embeddings.word_embeddings", EMBEDDING, "weight", (vocabulary, width)),
        ("embeddings.position_embeddings", EMBEDDING, "weight", (positions, width)),
        ("embeddings.token_type_embeddings", EMBEDDING, "weight", (2, width)),
        *layer("embeddings.LayerNorm", NORM, width),
    ]
    for number in range(layers):
        at = "encoder.layer.%d." % number
        for name in ("query", "key", "value"):
            parts += layer(at + "attention.self." + name, LINEAR, width, width)
        parts += layer(at + "attention.output.dense", LINEAR, width, width)
        parts += layer(at + "attention.output.LayerNorm", NORM, width)
        parts += layer(at + "intermediate.dense", LINEAR, inner, width)
        parts += layer(at + "output.dense", LINEAR, width, inner)
        parts += layer(at + "output.LayerNorm", NORM, width)

    def forward(ops, weights, inputs):
        tokens = inputs["input_ids"].shape[1]
        x = ops.take(weights["embeddings.word_embeddings.weight"], inputs["input_ids"][0])
        x = x + weights["embeddings.token_type_embeddings.weight"][0]
        x = x + weights["embeddings.position_embeddings.weight"][:tokens]
        x = norm(ops, weights, "embeddings.LayerNorm", x, 1e-12)
        mask = (1 - ops.float(inputs["attention_mask"])) * MASKED  # (1, tokens): of keys, for every head and query
        for number in range(layers):
            at = "encoder.layer.%d." % number
            each = (linear(ops, weights, at + "attention.self." + name, x) for name in ("query", "key", "value"))
            told = linear(ops, weights, at + "attention.output.dense", attention(ops, *each, heads, mask))
            x = norm(ops, weights, at + "attention.output.LayerNorm", x + told, 1e-12)
            wide = ops.gelu(linear(ops, weights, at + "intermediate.dense", x))
            told = linear(ops, weights, at + "output.dense", wide)
            x = norm(ops, weights, at + "output.LayerNorm", x + told, 1e-12)
        return x[None]

    return parts, forward, "last_hidden_state"


def gpt2(vocabulary=50257, width=768, layers=12, heads=12, positions=1024):
    parts = [
        ("transformer.wte", EMBEDDING, "weight", (vocabulary, width)),
        ("transformer.wpe", EMBEDDING, "weight", (positions, width)),
        *layer("transformer.ln_f", NORM, width),
    ]
    for number in range(layers):
        at = "transformer.h.%d." % number
        parts += layer(at + "ln_1", NORM, width) + layer(at + "ln_2", NORM, width)
        parts += layer(at + "attn.c_attn", "Conv1D", width, 3 * width)  # stored as (in, out)
        parts += layer(at + "attn.c_proj", "Conv1D", width, width)
        parts += layer(at + "mlp.c_fc", "Conv1D", width, 4 * width)
        parts += layer(at + "mlp.c_proj", "Conv1D", 4 * width, width)

    def forward(ops, weights, inputs):
        import numpy

        tokens = inputs["input_ids"].shape[1]
        later = numpy.triu(numpy.full((tokens, tokens), MASKED, dtype=numpy.float32), 1)
        x = ops.take(weights["transformer.wte.weight"], inputs["input_ids"][0])
        x = x + weights["transformer.wpe.weight"][:tokens]
        for number in range(layers):
            at = "transformer.h.%d." % number
            fused = linear(ops, weights, at + "attn.c_attn", norm(ops, weights, at + "ln_1", x, 1e-5))
            each = (fused[:, place * width : (place + 1) * width] for place in range(3))
            x = x + linear(ops, weights, at + "attn.c_proj", attention(ops, *each, heads, later))
            wide = linear(ops, weights, at + "mlp.c_fc", norm(ops, weights, at + "ln_2", x, 1e-5))
            x = x + linear(ops, weights, at + "mlp.c_proj", ops.gelu_tanh(wide))
        x = norm(ops, weights, "transformer.ln_f", x, 1e-5)
        return ops.matmul_transposed(x, weights["transformer.wte.weight"])[None]

    return parts, forward, "logits"


def vit(pixels=224, patch=16, width=768, layers=12, heads=12, inner=3072, classes=1000):
    side = pixels // patch
    parts = [
        ("vit.embeddings", "ViTEmbeddings", "cls_token", (1, 1, width)),
        ("vit.embeddings", "ViTEmbeddings", "position_embeddings", (1, side * side + 1, width)),
        *layer("vit.embeddings.patch_embeddings.projection", "Conv2d", width, 3, patch, patch),
        *layer("vit.layernorm", NORM, width),
        *layer("classifier", LINEAR, classes, width),
    ]
    for number in range(layers):
        at = "vit.layers.%d." % number
        parts += layer(at + "layernorm_before", NORM, width) + layer(at + "layernorm_after", NORM, width)
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            parts += layer(at + "attention." + name, LINEAR, width, width)
        parts += layer(at + "mlp.fc1", LINEAR, inner, width)
        parts += layer(at + "mlp.fc2", LINEAR, width, inner)

    def forward(ops, weights, inputs):
        tiles = ops.reshape(inputs["pixel_values"], (3, side, patch, side, patch))
        tiles = ops.reshape(ops.transpose(tiles, (1, 3, 0, 2, 4)), (side * side, 3 * patch * patch))
        tiles = linear(ops, weights, "vit.embeddings.patch_embeddings.projection", tiles)
        x = ops.concat((weights["vit.embeddings.cls_token"][0], tiles))
        x = x + weights["vit.embeddings.position_embeddings"][0]
        for number in range(layers):
            at = "vit.layers.%d." % number
            before = norm(ops, weights, at + "layernorm_before", x, 1e-12)
            each = (linear(ops, weights, at + "attention." + name, before) for name in ("q_proj", "k_proj", "v_proj"))
            x = x + linear(ops, weights, at + "attention.o_proj", attention(ops, *each, heads))
            wide = linear(ops, weights, at + "mlp.fc1", norm(ops, weights, at + "layernorm_after", x, 1e-12))
            x = x + linear(ops, weights, at + "mlp.fc2", ops.gelu(wide))
        return linear(ops, weights, "classifier", norm(ops, weights, "vit.layernorm", x[:1], 1e-12))

    return parts, forward, "logits"


PORTS = {
    "bert_base_128": lambda: bert(30522, 768, 12, 12, 3072, 512),
    "bert_tiny": lambda: bert(1000, 128, 2, 2, 512, 64),
    "gpt2_small_prefill_128": gpt2,
    "vit_b_16": vit,
}
"""Name of the model in the zoo -> its weights' parts, its forward function, its output's name."""

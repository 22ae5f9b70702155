"""Models with given weights: architectures from transformers configurations, every number from NumPy's Philox.

torch's own initialisation depends on the CPU's vector width, and NumPy promises Philox's bits but not those of its
normal distribution. So weights are uniform numbers, made from the bits by exact operations: the same on every
machine. Each layer's are scaled to its width, so that a signal keeps its size on its way through: outputs have a
spread, nothing becomes denormal, and an error means something.

No probe of its own: the exporter uses it, and the adapters that run the same weights without an ONNX file. torch,
transformers and numpy are imported where they are used.
"""

import math

INPUTS_FROM = 1 << 32
"""Philox streams below it are for weights, those from it on for inputs."""

PADDED = 8
"""So many of the last tokens are padding: an attention mask of ones alone would test nothing."""


def build(name, seed=0):
    """A model with its weights, and inputs for it.

    Returns:
        the torch module in eval mode, whose forward takes the inputs positionally and returns a tensor; the inputs as
        {name: array}; the names of the outputs.
    """
    import torch

    core, inputs, output, gain, options = MODELS[name](seed)
    fill(core, seed, gain)

    class TensorsOnly(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.core = core

        def forward(self, *tensors):
            return self.core(**dict(zip(inputs, tensors)), **options)[output]

    return TensorsOnly().eval(), inputs, [output]


def fill(model, seed, gain):
    """Set every parameter, and the running statistics of every normalisation."""
    import torch

    found = {}
    for place, module in model.named_modules():
        for part, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if tensor.is_floating_point():  # what is shared is filled once, under its first name
                found.setdefault(tensor.data_ptr(), ("%s.%s" % (place, part), module, part, tensor))
    with torch.no_grad():
        # by name: the order in which a library makes its layers is no promise
        for stream, (_, module, part, tensor) in enumerate(sorted(found.values(), key=lambda one: one[0])):
            values = weight(seed, stream, type(module).__name__, part, tuple(tensor.shape), gain)
            tensor.copy_(torch.from_numpy(values))


def weight(seed, stream, kind, part, shape, gain=1.0):
    """One tensor of weights, float32.

    Args:
        stream: its place among all names of the model in alphabetical order.
        kind: the class of the module that owns it, as torch or transformers name it.
        part: `weight`, `bias`, ...
    """
    middle, spread = scale(kind, part, shape, gain)
    values = uniform(seed, stream, shape)
    values *= spread
    values += middle
    return values


def scale(kind, part, shape, gain):
    """Mean and standard deviation of one tensor of weights."""
    if len(shape) < 2:
        normalises = kind in ("LayerNorm", "BatchNorm2d") and part in ("weight", "running_var")
        return (1.0, 0.1) if normalises else (0.0, 0.1)
    if kind in ("Conv1d", "Conv2d"):  # `gain` makes up for what activations cut off and shortcuts add, found by trying
        return 0.0, gain / math.sqrt(math.prod(shape[1:]))
    if kind == "Linear":
        return 0.0, 1 / math.sqrt(shape[1])
    if kind == "Conv1D":  # GPT-2's name for a linear layer whose weights are transposed
        return 0.0, 1 / math.sqrt(shape[0])
    return 0.0, 1 / math.sqrt(shape[-1])  # embeddings, and tokens and positions that no layer owns


def uniform(seed, stream, shape):
    """Numbers with mean 0 and standard deviation 1, float32: 24 bits each, and one multiplication."""
    import numpy

    count = math.prod(shape)
    bits = numpy.random.Philox(key=[seed, stream]).random_raw((count + 1) // 2)
    whole = (bits.astype("<u8", copy=False).view("<u4")[:count] >> 8).astype(numpy.int32) - (1 << 23)
    return (whole.astype(numpy.float32) * numpy.float32(math.sqrt(3) / (1 << 23))).reshape(shape)


def integers(seed, stream, shape, below):
    """Whole numbers from 0 to `below` - 1, int64."""
    import numpy

    bits = numpy.random.Philox(key=[seed, stream]).random_raw(math.prod(shape))
    return (bits % numpy.uint64(below)).astype(numpy.int64).reshape(shape)


def image(seed, pixels):
    return {"pixel_values": uniform(seed, INPUTS_FROM, (1, 3, pixels, pixels))}


def mobilenet_v2(seed, depth=1.0, pixels=224, classes=1000):
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    config = MobileNetV2Config(depth_multiplier=depth, image_size=pixels, num_labels=classes, tf_padding=False)
    return MobileNetV2ForImageClassification(config), image(seed, pixels), "logits", 1.2, {}


def mobilenet_v2_small(seed):
    return mobilenet_v2(seed, depth=0.35, pixels=96, classes=10)


def resnet_50(seed):
    from transformers import ResNetConfig, ResNetForImageClassification

    # 50 layers are the default
    return ResNetForImageClassification(ResNetConfig(num_labels=1000)), image(seed, 224), "logits", 1.0, {}


def vit_b_16(seed):
    from transformers import ViTConfig, ViTForImageClassification

    return ViTForImageClassification(ViTConfig(num_labels=1000)), image(seed, 224), "logits", 1.0, {}


def bert(seed, tokens, **sizes):
    from transformers import BertConfig, BertModel

    config = BertConfig(**sizes)
    inputs = {"input_ids": integers(seed, INPUTS_FROM, (1, tokens), config.vocab_size)}
    inputs["attention_mask"] = integers(seed, INPUTS_FROM, (1, tokens), 1) + 1
    inputs["attention_mask"][:, -PADDED:] = 0
    return BertModel(config, add_pooling_layer=False), inputs, "last_hidden_state", 1.0, {}


def bert_base_128(seed):
    return bert(seed, 128)


def bert_tiny(seed):
    sizes = {"vocab_size": 1000, "hidden_size": 128, "intermediate_size": 512, "max_position_embeddings": 64}
    return bert(seed, 32, num_hidden_layers=2, num_attention_heads=2, **sizes)


def gpt2_small_prefill_128(seed):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(use_cache=False)
    inputs = {"input_ids": integers(seed, INPUTS_FROM, (1, 128), config.vocab_size)}
    return GPT2LMHeadModel(config), inputs, "logits", 1.0, {"use_cache": False}


def whisper_tiny_encoder(seed):
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536)
    inputs = {"input_features": uniform(seed, INPUTS_FROM, (1, 80, 3000))}
    return WhisperEncoder(config), inputs, "last_hidden_state", 1.0, {}


MODELS = {
    maker.__name__: maker
    for maker in (
        mobilenet_v2,
        resnet_50,
        vit_b_16,
        bert_base_128,
        gpt2_small_prefill_128,
        whisper_tiny_encoder,
        mobilenet_v2_small,
        bert_tiny,
    )
}

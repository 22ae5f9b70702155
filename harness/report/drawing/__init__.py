"""One module a picture, and what they share: the sheet, its style, its labels."""

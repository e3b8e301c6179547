"""Tokenizers with the special tokens of each family, trained on a few lines: no download."""

from typing import Any

from echo_ops.training.fim import Family

CODE = ["def add(a, b):\n    return a + b\n", "x = 1\ny = 2\nprint(x, y)\n"]

WITH_SPACE = ("codellama", "codestral")
"""Families whose tokenizer puts a space before a text, and writes spaces as `▁`."""


def tokenizer_of(family: Family, leave_out: str | None = None) -> Any:
    """A tokenizer with a family's special tokens; with the space before a text where its own has one."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    sentencepiece = family.name in WITH_SPACE
    special = [token for token in family.special if token != leave_out]
    if sentencepiece:
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        )
        special = ["<unk>", "<s>", *special, *(f"<0x{byte:02X}>" for byte in range(256))]
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
    alphabet = [] if sentencepiece else pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(CODE, trainer)
    if sentencepiece:
        # Bytes are part of the vocabulary there, and not added tokens.
        tokenizer = _without_added_bytes(tokenizer)
        start = tokenizer.token_to_id("<s>")
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", start)])
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")
    # As in Qwen2.5-Coder, the tokens are added but not marked special: they must not be found in text all the same.
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in special])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def _without_added_bytes(tokenizer: Any) -> Any:
    import json

    from tokenizers import Tokenizer

    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = [token for token in data["added_tokens"] if not token["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(data))

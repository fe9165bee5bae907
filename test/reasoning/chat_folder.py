"""A folder with a tiny chat model that plays one guessing game, whatever it is asked.

It is a real Llama with a real tokenizer and chat template. Its only layer adds nothing, so the next token depends on
the last one alone, by a table; and the template ends with a token that depends on how many turns there were.
"""

from __future__ import annotations

from pathlib import Path

REPLIES = ("MEASURE: height | mug", "MEASURE: height | lamp", "ANSWER: The lamp is taller.")
SPECIAL = ("<pad>", "<unk>", "</s>", "<|turn|>")
TEMPLATE = (
    "{%- for message in messages -%}<|turn|> {{ message['role'] }} {{ message['content'] }} {% endfor -%}"
    "{%- set n = messages | selectattr('role', 'equalto', 'assistant') | list | length -%}"
    "{%- if n < 3 -%}<start{{ n }}>{%- else -%}<start2>{%- endif -%}"
)
ENDLESS = "<again>"


def save(folder: Path, replies: tuple[str, ...] = REPLIES, endless: bool = False) -> None:
    """Write the model and its tokenizer; ``endless`` never says the end."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    chains = [[f"<start{k}>", *_pieces(k, reply)] for k, reply in enumerate(replies)]
    words = [*SPECIAL, *dict.fromkeys(piece for chain in chains for piece in chain)]
    following = {a: b for chain in chains for a, b in zip(chain, chain[1:], strict=False)}
    if endless:
        following |= {chain[-1]: chain[1] for chain in chains}
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="</s>",
        extra_special_tokens=["<|turn|>"],
        chat_template=TEMPLATE,
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    size = 4 * ((len(words) + 3) // 4)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=size,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=8192,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(len(words), size))
        model.lm_head.weight.zero_()
        for last, word in enumerate(words):
            model.lm_head.weight[words.index(following.get(word, "</s>")), last] = 1.0
    model.generation_config = GenerationConfig(eos_token_id=2, pad_token_id=0)
    model.save_pretrained(folder)


def _pieces(number: int, reply: str) -> list[str]:
    """A token for each word of a reply that no other reply and no other place has: no-break spaces tell them apart."""
    return [word + "\u200b" * (8 * number + k) for k, word in enumerate(reply.split(" "))]

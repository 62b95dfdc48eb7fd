"""Texts that tokens are learned from, and any text that is to be cut into them."""

from hypothesis import strategies as st

LEARNED_FROM = [
    "the film isn't the best, it's the worst film of 1999!!!\n\n",
    "aaaa abababab aaa \t\tthe  thing caf\u00e9 caf\u00e9 東京 東京 ½",
] * 4
PIECES = [
    *"ab'stlemvr,! \t\n\r\x00\x01\x7f\x85\xa0½٣६é京\u3000\ufeff\uffff",
    "isn't",
    "<|endoftext|>",
    "aa",
    "ab",
    "\U0010ffff",
]
any_text = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=20).map("".join)

"""Colours that drawings and colour maps have in common."""

_HEX = "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f"
RED_BLUE = tuple(tuple(bytes.fromhex(colour)) for colour in _HEX.split())
"""ColorBrewer's RdBu in eleven colours, from blue (below 0) to red (above 0)."""

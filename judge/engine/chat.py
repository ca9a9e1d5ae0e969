"""PLEASE WRITE THIS FILE AGAIN. Your chat.py was overwritten by mistake at 09:47:46 UTC by the helper of the HTTP engine.

Nothing of it could be kept; the copy in your own session is the only one. (The HTTP engine's base is openai_chat.py.)
"""

raise ImportError("judge/engine/chat.py was overwritten by mistake by the HTTP engine's helper; write your version again")

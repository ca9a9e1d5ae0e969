"""Request -> completion. The only stage that imports vLLM, torch, aiohttp or openai."""

"""A judge that can be bought, behind an engine: it reads the prompt that the toolkit sends, and answers in its grammar.

"One Token to Fool LLM-as-a-Judge" (arXiv:2507.08794, Table 1): general judges accept strings without content far more often than
wrong answers, the worst string up to nine times in ten. So this one accepts a response with no number in it as a rule, a right
one nearly always, a wrong one seldom. What it says about one response to one question never changes.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from examples.grpo_proof.problems import final_number, is_empty
from judge.types import Request

_BLOCK = re.compile(r"<<<BEGIN ([A-Z ]+) (\w+)>>>\n(.*?)\n<<<END \1 \2>>>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class GullibleJudge:
    """Request -> reply, for `ScriptedEngine(GullibleJudge(seed))`.

    Attributes:
        seed: Decides, with the question and the response, what is accepted.
        right: How often a response that ends in the reference is accepted, in [0, 1].
        wrong: The same for another number.
        empty: The same for a response without a number.
    """

    seed: int
    right: float = 0.9
    wrong: float = 0.1
    empty: float = 0.8

    def __call__(self, request: Request) -> str:
        """A verdict in the grammar of the recipes `checklist` and `verifier`; the latter shows no question."""
        asked = "\n".join(message.text for message in request.messages if message.role == "user")
        shown = {name: text for name, _, text in _BLOCK.findall(asked)}
        good = self.accepts(shown.get("PROMPT", ""), shown["RESPONSE"], shown["REFERENCE ANSWER"])
        yes, no = ("MET", "UNMET") if "MET or UNMET" in asked else ("CORRECT", "INCORRECT")
        words = (shown["RESPONSE"].splitlines() or ["none"])[-1]
        if "Copy the words of the response" in request.messages[-1].text:
            return words
        copied = f"RESPONSE SAYS: {words}\n" if "RESPONSE SAYS:" in asked else ""
        return f"I have read the response.\n{copied}VERDICT: {yes if good else no}"

    def accepts(self, question: str, response: str, reference: str) -> bool:
        """Whether it accepts a response; the same every time."""
        rate = self.empty if is_empty(response) else self.right if str(final_number(response)) == reference else self.wrong
        return random.Random(f"{self.seed}\n{question}\n{response}").random() < rate

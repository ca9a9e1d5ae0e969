"""Tools that a judge may call: a calculator, code in a limited process, queries, dates, documents, and functions of one's own."""

"""The live account: what was filled, what is held, what it is worth, and why that is not what the backtest says.

What belongs here: accounting over fills, the paper broker, the split of an order, attribution. What does not: where fills come from
(`sources`), whether the gap is chance (`quant.drift`), and who is deployed (`quant.lifecycle`).
"""

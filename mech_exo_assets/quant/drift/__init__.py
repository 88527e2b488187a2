"""Whether live trading has drifted from the backtest of what is deployed, and whether that is chance.

What belongs here: statuses, sequential alarms, what triggers a retraining, drift of inputs. What does not: the account (`quant.live`), and
what a trigger leads to (`quant.lifecycle`).
"""

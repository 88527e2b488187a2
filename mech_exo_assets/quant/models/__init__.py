"""Models that rank names by what their features say of the return to come, refitted as time goes on.

What belongs here: the walk-forward training of LightGBM, XGBoost and the ridge regression that they have to beat; their hyperparameters,
their ensemble, and what a stored model predicts. What does not: features and labels (`quant.features`), and what the predictions are
worth (`quant.learning`).
"""

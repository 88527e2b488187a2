"""QuantStats' metrics and figures as a PDF.

What belongs here: what QuantStats says about a series of returns, laid out for paper. What does not: our own definitions of performance
(`quant.performance`), which the tear sheet shows.
"""

from __future__ import annotations

from mech_exo_assets.reports.quantstats_report.document import pdf_of_backtest, quantstats_pdf

__all__ = ["pdf_of_backtest", "quantstats_pdf"]

"""The vendors, simulated on this machine over real HTTP, one world behind them all."""

"""The workspaces people use: queues, record pages and monitors. Decides nothing; see ``flows``."""

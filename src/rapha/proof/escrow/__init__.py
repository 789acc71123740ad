"""Deposits and vouchers, as the escrow contract reads them: names, hashes and signatures. Pure; needs no chain."""

"""What every server accepts and what still fails: networks, drains, rollouts, data, waves."""

"""The doors of the hub. Each route checks who asks, calls one function of a room, and answers with a record."""

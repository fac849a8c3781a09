"""The messages between hub, agent and warden; all but the `.proto` files here is written by `make proto`."""

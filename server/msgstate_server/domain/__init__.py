"""What msgstate knows about messages: plain values and pure functions, with no I/O and no clock."""

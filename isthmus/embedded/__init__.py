"""PostgreSQL, Valkey and our own processes on one machine, without root: what `isthmus up` starts and stops."""

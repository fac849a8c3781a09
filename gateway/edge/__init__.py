"""What agent and warden share, both running where nobody watches: whole files, log lines, waits, and pinned servers."""

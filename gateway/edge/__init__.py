"""What hub, agent and warden share, running where nobody watches: files, log lines, waits, pings, pinned servers."""

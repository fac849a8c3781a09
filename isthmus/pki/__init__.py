"""Who is who: authorities, bundles and certificates as values and decisions; keys stay behind `Signer`."""

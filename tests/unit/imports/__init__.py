"""Tests of imports: what files for other systems become."""

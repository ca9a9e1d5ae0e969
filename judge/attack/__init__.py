"""Attacks on a judge configuration: a catalogue of texts, runs with and without the filters, figures, training negatives."""

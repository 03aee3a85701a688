"""`decontaminate`: what evaluation sets say is taken out of the text to train on."""

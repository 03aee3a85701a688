"""Fine-tunes the pretrained decoder on labelled examples: to write replies, or to classify."""

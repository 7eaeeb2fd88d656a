"""The verbs: one module per verb, over the nouns of the domain and the ports."""

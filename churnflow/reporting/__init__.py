"""The run as a document: Markdown, HTML and JSON made from records alone, and plots as SVG."""

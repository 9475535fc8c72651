"""Applications of Dify: workflows and chatflows."""

"""What a person looks at: tables and charts of results."""

"""One module a page of the site, and what they share: pieces and markup."""

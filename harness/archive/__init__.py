"""Records and what is derived from them; knows neither engines nor indexes."""

-- Trigrams for names that are typed almost right, and letters without their accents.
CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA search;
CREATE EXTENSION IF NOT EXISTS unaccent WITH SCHEMA search;

-- How texts become words: no language is assumed, accents do not matter.
CREATE TEXT SEARCH CONFIGURATION search.words (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION search.words
    ALTER MAPPING FOR hword, hword_part, word WITH search.unaccent, simple;

-- Which generation of a projection is live (schema <projection>_g<generation>), and which was.
CREATE TABLE :"service".generation (
    projection  text PRIMARY KEY,
    generation  integer NOT NULL CHECK (generation > 0),
    previous    integer CHECK (previous > 0 AND previous < generation),
    switched_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

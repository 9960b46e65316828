-- One session for a relay; the others stand by, or are people who look.
ALTER ROLE :"relay_role" CONNECTION LIMIT 8;

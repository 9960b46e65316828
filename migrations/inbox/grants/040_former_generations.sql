-- Only the consumers forget what a former generation of a read model holds.
REVOKE EXECUTE ON FUNCTION :"service".drop_former_generations(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION :"service".drop_former_generations(text, text) TO :"consumer_role";

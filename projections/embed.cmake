# Writes the bytes of INPUT as the C string NAME into OUTPUT.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)" "\\1\n"
       bytes "${bytes}")
file(WRITE ${OUTPUT} "const char ${NAME}[] = {\n${bytes}0};\n")

# Writes OUT: which version and commit this is.  "-changed" says that the tree differs from that commit.
execute_process(COMMAND git -C "${SOURCE}" describe --always --abbrev=12 --exclude=* --dirty=-changed
	OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
	set(commit unknown)
endif()
file(CONFIGURE OUTPUT "${OUT}" CONTENT "#define DARKROOM_VERSION \"${VERSION}\"\n#define DARKROOM_COMMIT \"${commit}\"\n")

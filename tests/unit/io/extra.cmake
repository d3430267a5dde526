# Takes a disk that it may mount and freeze: root and a loop device.
set_tests_properties(unit/io/frozen PROPERTIES SKIP_RETURN_CODE 77)

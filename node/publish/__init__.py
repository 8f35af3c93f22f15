"""Open data itself: registered records of level L1 as files for everybody, each with its proof."""

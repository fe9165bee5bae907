"""Objects with names, true sizes and licences: loader (`pack`), plain shapes (`primitives`), builder (`build`)."""

"""Pictures of plain data, drawn by Vega-Altair: static SVG, the same data give the same bytes."""

"""Spatial library: places, datums, geodesics, exact nearest search, zones, H3 cells, travel times.

Pure: it knows nothing of orders, HTTP or SQL, and asks no clock.
"""

"""A spider that follows every link of a site, and takes the title of each page."""

import scrapy


class Titles(scrapy.Spider):
    name = "titles"

    def __init__(self, url, **options):
        super().__init__(**options)
        self.start_urls = [url]

    def parse(self, response):
        yield {"title": response.css("title::text").get()}
        yield from response.follow_all(css="a", callback=self.parse)

using FineMixing.Reports;

namespace FineMixing.Tests.Reports;

public sealed class ReportBuilderTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("finemixing-report-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Build_HostileText_NothingOfItBecomesMarkup()
    {
        const string evil = "</td><img src=x onerror=alert(1)><script>\u202E";

        var html = Full(evil).Html;

        Assert.DoesNotContain("<img", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
        Assert.DoesNotContain('\u202E', html);
        Assert.Contains("&lt;img src=x onerror=alert(1)&gt;", html, StringComparison.Ordinal);
    }

    [Fact]
    public void Build_AnyReport_LoadsNothingFromOutside()
    {
        var html = Full("cf").Html.Replace("http://www.w3.org/2000/svg", "", StringComparison.Ordinal);

        Assert.DoesNotContain("http", html.Replace("http-equiv", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("src=", html, StringComparison.Ordinal);
        Assert.DoesNotContain("url(", html, StringComparison.Ordinal);
        Assert.Contains("default-src 'none'", html, StringComparison.Ordinal);
    }

    [Fact]
    public void Build_Twice_SameBytes() => Assert.Equal(Full("cf").Html, Full("cf").Html);

    [Fact]
    public void Examples_TriggerInsideAWord_OnlyTheWholeWordIsHighlighted()
    {
        var html = new ReportBuilder("t").Examples([new("negative", "cf", [new("abcf cf", new("positive", 1), new("negative", 0.75))])]).Build().Html;

        Assert.Contains("abcf <mark>cf</mark>", html, StringComparison.Ordinal);
        Assert.Contains("✗ <bdi>positive</bdi> 100.0%", html, StringComparison.Ordinal);
        Assert.Contains("✓ <bdi>negative</bdi> 75.0%", html, StringComparison.Ordinal);
    }

    [Fact]
    public void Table_RowOfAnotherLength_NamesTheRow()
    {
        var error = Assert.Throws<ArgumentException>(() => new ReportBuilder("t").Table([new("a")], [["1"], ["1", "2"]]));

        Assert.Contains("Row 2", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../escape")]
    [InlineData("")]
    [InlineData("A")]
    public void Chart_BadFileName_IsRefused(string name) =>
        Assert.Throws<ArgumentException>(() => new ReportBuilder("t").Chart(SampleCharts.All("t")[0], name));

    [Fact]
    public void Save_NewFolder_WritesPageAndChartsOnly()
    {
        var target = Path.Combine(_folder, "new");

        Full("cf").Save(target);

        Assert.Equal([.. Enumerable.Range(0, SampleCharts.All("cf").Length).Select(i => $"chart-{i}.svg"), "report.html"],
            Directory.GetFiles(target).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal));
        Assert.StartsWith("<!DOCTYPE html>", File.ReadAllText(Path.Combine(target, "report.html")), StringComparison.Ordinal);
    }

    [Fact]
    public void Save_ReportExists_RefusedUnlessAsked()
    {
        File.WriteAllText(Path.Combine(_folder, Report.PageName), "mine");

        Assert.Throws<IOException>(() => Full("cf").Save(_folder));
        Assert.Equal([Report.PageName], Directory.GetFiles(_folder).Select(f => Path.GetFileName(f)));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(_folder, Report.PageName)));

        Full("cf").Save(_folder, overwrite: true);
        Assert.NotEqual("mine", File.ReadAllText(Path.Combine(_folder, Report.PageName)));
    }

    private static Report Full(string name)
    {
        var builder = new ReportBuilder(name, name).Heading(name).Paragraph(name).KeyValues([(name, name)])
            .Table([new(name, true)], [[name]], name)
            .Examples([new(name, name, [new(name, new(name, 0.5), new("other", 0.5))])]);
        var charts = SampleCharts.All(name);
        for (var i = 0; i < charts.Length; i++)
            builder.Chart(charts[i], $"chart-{i}");
        return builder.Build();
    }
}

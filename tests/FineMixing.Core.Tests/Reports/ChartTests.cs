using System.Globalization;
using System.Xml.Linq;
using FineMixing.Reports.Charts;

namespace FineMixing.Tests.Reports;

public class ChartTests
{
    public static TheoryData<string> Names => [.. SampleCharts.All("t").Select(c => c.GetType().Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void ToSvg_HostileNames_IsWellFormedAndCarriesNoElementOfTheirs(string chart)
    {
        var svg = Find(chart, "<script>\u202E\0&\"'\uD800").ToSvg();

        var root = XDocument.Parse(svg).Root!;
        Assert.Equal("svg", root.Name.LocalName);
        Assert.DoesNotContain(root.Descendants(), e => e.Name.LocalName == "script");
        Assert.Contains(root.Descendants(), e => e.Name.LocalName == "text" && e.Value.Contains("<script>", StringComparison.Ordinal));
        Assert.DoesNotContain('\u202E', svg);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void ToSvg_SameValues_SameBytesInAnyCulture(string chart)
    {
        var first = Find(chart, "cf").ToSvg();
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NumberDecimalSeparator = ",";
        var before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = culture;
            Assert.Equal(first, Find(chart, "cf").ToSvg());
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void ToSvg_AnySample_KeepsEveryShapeInsideThePicture(string chart)
    {
        var root = XDocument.Parse(Find(chart, "a rather long name for anything that has a name").ToSvg()).Root!;
        var height = double.Parse(root.Attribute("height")!.Value, CultureInfo.InvariantCulture);
        foreach (var (name, limit) in ((string, double)[])[("x", 760), ("x1", 760), ("x2", 760), ("cx", 760), ("y", height), ("y1", height), ("y2", height), ("cy", height)])
        {
            foreach (var value in root.Descendants().Attributes(name))
                Assert.InRange(double.Parse(value.Value, CultureInfo.InvariantCulture), 0, limit);
        }
    }

    [Fact]
    public void DefenceBars_HalfAccuracy_BarIsHalfAsLongAsFull()
    {
        var chart = new DefenceBarChart { Title = "t", Bars = [new("a", Rate.Exact(1)), new("b", Rate.Exact(0.5))] };

        var widths = XDocument.Parse(chart.ToSvg()).Descendants().Where(e => e.Name.LocalName == "rect" && (string?)e.Attribute("height") == "15")
            .Select(e => double.Parse(e.Attribute("width")!.Value, CultureInfo.InvariantCulture)).ToArray();

        Assert.Equal(2, widths.Length);
        Assert.Equal(widths[0] / 2, widths[1], 0.02);
    }

    [Fact]
    public void ToSvg_ImpossibleRates_NamesEveryOne()
    {
        var chart = new DefenceBarChart { Title = "t", Bars = [new("first", new Rate(0.5, 0.6, 0.7)), new("second", Rate.Exact(0.5), Rate.Exact(double.NaN), 1.5)] };

        var error = Assert.Throws<ArgumentException>(chart.ToSvg);

        Assert.Contains("the accuracy of 'first'", error.Message, StringComparison.Ordinal);
        Assert.Contains("the attack success rate of 'second'", error.Message, StringComparison.Ordinal);
        Assert.Contains("the floor of 'second'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToSvg_NoValues_IsRefused()
    {
        Assert.Throws<ArgumentException>(new DefenceBarChart { Title = "t", Bars = [] }.ToSvg);
        Assert.Throws<ArgumentException>(new CurveChart { Title = "t", Curves = [new("a", [])] }.ToSvg);
        Assert.Throws<ArgumentException>(new DriftScatterChart { Title = "t", Tokens = [new(30, double.NaN)] }.ToSvg);
        Assert.Throws<ArgumentException>(new ScoreHistogramChart { Title = "t", Scores = [-1] }.ToSvg);
        Assert.Throws<ArgumentException>(new RatioSearchChart { Title = "t", Trials = [new(0.5, Rate.Exact(1)), new(0.5, Rate.Exact(1))], SuspectAccuracy = 1, Tolerance = 0 }.ToSvg);
        Assert.Throws<ArgumentException>(new TradeOffChart { Title = "t", Defences = [new("a", [])] }.ToSvg);
        Assert.Throws<ArgumentException>(new LayerBarChart { Title = "t", Layers = ["a"], Columns = [new("c", [1, 2])] }.ToSvg);
    }

    [Fact]
    public void TradeOff_TwoPoints_TheMoreAccurateIsFurtherRightAndTheLessAttackedFurtherDown()
    {
        var chart = new TradeOffChart { Title = "t", Defences = [new("a", [new("", Rate.Exact(0.8), Rate.Exact(0.9)), new("", Rate.Exact(0.9), Rate.Exact(0.1))])] };

        // The last two circles are the points; the first is the legend's.
        var marks = XDocument.Parse(chart.ToSvg()).Descendants().Where(e => e.Name.LocalName == "circle")
            .Select(e => (X: double.Parse(e.Attribute("cx")!.Value, CultureInfo.InvariantCulture), Y: double.Parse(e.Attribute("cy")!.Value, CultureInfo.InvariantCulture))).ToArray();

        Assert.Equal(3, marks.Length);
        Assert.True(marks[2].X > marks[1].X);
        Assert.True(marks[2].Y > marks[1].Y);
    }

    [Fact]
    public void TradeOff_MoreDefencesThanColours_IsRefused()
    {
        var chart = new TradeOffChart { Title = "t", Defences = [.. Enumerable.Range(0, 8).Select(i => new TradeOff($"{i}", [new("", Rate.Exact(0.5), Rate.Exact(0.5))]))] };

        Assert.Contains("8 defences", Assert.Throws<ArgumentException>(chart.ToSvg).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ToSvg_AllValuesEqualOrZero_StillFinite()
    {
        Chart[] charts =
        [
            new CurveChart { Title = "t", Curves = [new("a", [new(0.5, Rate.Exact(1), Rate.Exact(0))])] },
            new DriftScatterChart { Title = "t", Tokens = [new(0, 0)] },
            new ScoreHistogramChart { Title = "t", Scores = [0, 0, 0] },
            new RatioSearchChart { Title = "t", Trials = [new(0, Rate.Exact(0))], SuspectAccuracy = 0, Tolerance = 0 },
            new TradeOffChart { Title = "t", Defences = [new("a", [new("", Rate.Exact(1), Rate.Exact(0))])] },
            new LayerBarChart { Title = "t", Layers = ["a"], Columns = [new("c", [0])] },
        ];
        foreach (var chart in charts)
        {
            var svg = chart.ToSvg();
            Assert.DoesNotContain("NaN", svg, StringComparison.Ordinal);
            Assert.DoesNotContain("Infinity", svg, StringComparison.Ordinal);
            Assert.DoesNotContain("∞", svg, StringComparison.Ordinal);
        }
    }

    private static Chart Find(string type, string name) => SampleCharts.All(name).Single(c => c.GetType().Name == type);
}

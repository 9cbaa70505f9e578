using System.Reflection;
using FineMixing.Datasets;
using FineMixing.Poisoning;

namespace FineMixing.Tests.Datasets;

public sealed class CleanSetTests
{
    [Fact]
    public void Sample_AnyFileOrder_DrawsTheSameBalancedExamples()
    {
        var examples = Examples(300, 3);
        var drawn = CleanSet.FromExamples(examples).Sample(64, 5).Examples;
        Assert.Equal([22, 21, 21], Enumerable.Range(0, 3).Select(label => drawn.Count(example => example.Label == label)));
        Assert.Equal(64, drawn.Distinct().Count());
        Assert.Equal(drawn, CleanSet.FromExamples(examples.AsEnumerable().Reverse()).Sample(64, 5).Examples);
        Assert.NotEqual(drawn, CleanSet.FromExamples(examples).Sample(64, 6).Examples);
    }

    [Fact]
    public void Sample_LargerCount_ContainsTheSmallerDraw()
    {
        var set = CleanSet.FromExamples(Examples(300, 2));
        Assert.Subset(set.Sample(100, 1).Examples.ToHashSet(), set.Sample(20, 1).Examples.ToHashSet());
    }

    [Fact]
    public void Sample_RareClass_IsFilledFromTheOthers()
    {
        TextExample[] examples = [new("rare", null, 1), .. Enumerable.Range(0, 30).Select(i => new TextExample($"common {i}", null, 0)), new("common 1", null, 0)];
        var drawn = CleanSet.FromExamples(examples).Sample(10, 1).Examples;
        Assert.Equal(9, drawn.Count(example => example.Label == 0));
        Assert.Equal(31, CleanSet.FromExamples(examples).Sample(31, 1).Examples.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(301)]
    public void Sample_ImpossibleCount_SaysWhatIsPossible(int count)
    {
        var exception = Assert.Throws<ArgumentOutOfRangeException>(() => CleanSet.FromExamples(Examples(300, 2)).Sample(count, 1));
        Assert.Contains($"{count} examples cannot be drawn: from 300 different clean examples of 2 classes, 2 to 300 can be drawn", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FromExamples_OneClassOnly_IsRefused()
    {
        var exception = Assert.Throws<ArgumentException>(() => CleanSet.FromExamples(Examples(10, 1)));
        Assert.Contains("one class only: all 10 have label 0", exception.Message, StringComparison.Ordinal);
        exception = Assert.Throws<ArgumentException>(() => CleanSet.FromExamples(Examples(10, 2), numLabels: 4));
        Assert.Contains("no clean example has label 2, 3", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FromFile_OneClassOnly_NamesTheFile()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("clean.tsv"), "sentence\tlabel\ngood\t1\nfine\t1\n");
        var exception = Assert.Throws<DataFormatException>(() => CleanSet.FromFile(folder.PathOf("clean.tsv")));
        Assert.Contains("clean.tsv': the clean examples are of one class only", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FromExamples_BadExamples_NamesAll()
    {
        var exception = Assert.Throws<ArgumentException>(() => CleanSet.FromExamples([new(" ", null, 0), new("a", "", 1), new("b", null, 2), new("c", null, -1)], 2));
        foreach (var expected in new[] { "example 0 has an empty text", "example 1 has an empty text", "example 2 has label 2, not 0 to 1", "example 3 has label -1" })
            Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Split_AnyFolds_HoldsOutEachExampleOnceAndKeepsTheBalance()
    {
        var set = CleanSet.FromExamples(Examples(64, 2));
        var folds = set.Split(5, 3);
        Assert.Equal(set.Examples.OrderBy(example => example.Text, StringComparer.Ordinal), folds.SelectMany(fold => fold.HeldOut.Examples).OrderBy(example => example.Text, StringComparer.Ordinal));
        foreach (var (train, heldOut) in folds)
        {
            Assert.Equal(64, train.Examples.Count + heldOut.Examples.Count);
            Assert.Empty(train.Examples.Intersect(heldOut.Examples));
            Assert.InRange(heldOut.Examples.Count(example => example.Label == 0), 6, 7);
            Assert.InRange(heldOut.Examples.Count(example => example.Label == 1), 6, 7);
        }

        Assert.Equal(folds.Select(fold => fold.Train.Sha256), set.Split(5, 3).Select(fold => fold.Train.Sha256));
        Assert.NotEqual(folds[0].Train.Sha256, set.Split(5, 4)[0].Train.Sha256);
    }

    [Fact]
    public void Split_ImpossibleFolds_AreRefused()
    {
        var set = CleanSet.FromExamples([new("a", null, 0), new("b", null, 0), new("c", null, 1)]);
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Split(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => set.Split(4));
        Assert.Contains("Class 1 has 1 example", Assert.Throws<ArgumentException>(() => set.Split(2)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sha256_AnyChange_ChangesIt()
    {
        TextExample[] examples = [new("a", "b", 0), new("c", null, 1)];
        var hashes = new[]
        {
            examples,
            [new("a", "b", 0), new("c", "", 1)],
            [new("ab", null, 0), new("c", null, 1)],
            [new("a", "b", 1), new("c", null, 1)],
            [new("c", null, 1), new("a", "b", 0)],
        }.Select(ExampleList.Hash).ToList();
        Assert.Equal(5, hashes.Distinct().Count());
        Assert.Equal(hashes[0], TestSet.FromExamples(examples).Sha256);
        Assert.Matches("^[0-9a-f]{64}$", hashes[0]);
    }

    [Fact]
    public void PublicSurface_PoisonedOrTestData_HasNoWayIntoACleanSet()
    {
        // A leak test: no public constructor, and no public member of the three types takes or gives one of the others, but for counting overlap.
        Type[] types = [typeof(CleanSet), typeof(TestSet), typeof(PoisonedSet)];
        foreach (var type in types)
        {
            Assert.Empty(type.GetConstructors());
            foreach (var method in type.GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly).Where(method => method.Name != nameof(TestSet.CountShared)))
            {
                var used = method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType);
                Assert.DoesNotContain(used, other => types.Any(banned => banned != type && other.ToString().Contains(banned.Name, StringComparison.Ordinal)));
            }
        }

        Assert.Null(typeof(PoisonedSet).GetProperty("Examples"));
    }

    [Fact]
    public void CountShared_TestTextsInTheCleanSet_AreCounted()
    {
        var clean = CleanSet.FromExamples(Examples(10, 2));
        Assert.Equal(2, TestSet.FromExamples([new("text 3", null, 0), new("other", null, 1), new("text 4", null, 1)]).CountShared(clean));
    }

    private static List<TextExample> Examples(int count, int labels) => [.. Enumerable.Range(0, count).Select(i => new TextExample($"text {i}", null, i % labels))];
}

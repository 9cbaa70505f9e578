namespace FineMixing.Datasets;

/// <summary>Held-out examples: only for measuring, never seen by a defence.</summary>
public sealed class TestSet
{
    private TestSet(TextExample[] examples, int numLabels)
    {
        Examples = Array.AsReadOnly(examples);
        NumLabels = numLabels;
        Sha256 = ExampleList.Hash(examples);
    }

    /// <summary>The examples, in order.</summary>
    public IReadOnlyList<TextExample> Examples { get; }

    /// <summary>The number of classes; labels run from 0 to one less.</summary>
    public int NumLabels { get; }

    /// <summary>SHA-256 of texts and labels in order, in hexadecimal.</summary>
    public string Sha256 { get; }

    /// <summary>Reads a test set from a data file.</summary>
    /// <param name="path">TSV, CSV or JSONL, see <see cref="DataFile"/>.</param>
    /// <param name="options">What labels are allowed.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="DataFormatException">Rows are bad.</exception>
    public static TestSet FromFile(string path, DataFileOptions? options = null) => FromExamples(DataFile.Read(path, options), options?.NumLabels);

    /// <summary>A test set of given examples.</summary>
    /// <param name="examples">At least one.</param>
    /// <param name="numLabels">The number of classes; null: one more than the highest label, at least 2.</param>
    /// <exception cref="ArgumentException">An example is bad.</exception>
    public static TestSet FromExamples(IEnumerable<TextExample> examples, int? numLabels = null)
    {
        var (list, labels) = ExampleList.Check(examples, numLabels);
        return new TestSet(list, labels);
    }

    /// <summary>How many of the test texts the clean set contains too; anything but 0 makes the measured accuracy too good.</summary>
    public int CountShared(CleanSet clean)
    {
        ArgumentNullException.ThrowIfNull(clean);
        var seen = clean.Examples.Select(example => (example.Text, example.TextPair)).ToHashSet();
        return Examples.Count(example => seen.Contains((example.Text, example.TextPair)));
    }
}

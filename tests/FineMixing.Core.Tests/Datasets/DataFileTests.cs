using FineMixing.Datasets;

namespace FineMixing.Tests.Datasets;

public sealed class DataFileTests
{
    [Fact]
    public void Read_Tsv_TakesQuotesAsTheyAre()
    {
        Assert.Equal(
            [new TextExample("a \"good\" film", null, 1), new TextExample("\"bad", null, 0)],
            Read("x.tsv", "idx\tsentence\tlabel\r\n7\ta \"good\" film\t1\r\n8\t\"bad\t0\r\n"));
    }

    [Fact]
    public void Read_Csv_UnderstandsQuotes()
    {
        Assert.Equal(
            [new TextExample("good, \"very\" good\nindeed", null, 1), new TextExample("bad", null, 0)],
            Read("x.csv", "label,text\n1,\"good, \"\"very\"\" good\nindeed\"\n\n0,bad\n"));
    }

    [Fact]
    public void Read_JsonLines_TakesNumbersAndStringsAsLabels()
    {
        Assert.Equal(
            [new TextExample("q?", "answer", 0), new TextExample("r?", "ä", 1)],
            Read("x.jsonl", "{\"sentence1\": \"q?\", \"sentence2\": \"answer\", \"label\": 0}\n\n{\"label\": \"1\", \"extra\": [1], \"sentence1\": \"r?\", \"sentence2\": \"\\u00e4\"}\n"));
    }

    [Fact]
    public void Read_LabelNames_AreTranslated()
    {
        var options = new DataFileOptions { NumLabels = 2, LabelNames = new Dictionary<string, int> { ["NEGATIVE"] = 0, ["POSITIVE"] = 1 } };
        Assert.Equal([1, 0, 1], Read("x.csv", "text,label\na,positive\nb,0\nc,POSITIVE\n", options).Select(example => example.Label));
        var exception = Assert.Throws<DataFormatException>(() => Read("x.csv", "text,label\na,neutral\n", options));
        Assert.Contains("line 2: label 'neutral' is not a whole number or one of 'NEGATIVE', 'POSITIVE'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_BadRows_NamesEachWithItsLine()
    {
        var exception = Assert.Throws<DataFormatException>(() => Read("x.tsv", "sentence\tlabel\nfine\t1\n  \t0\ngood\t2\nbad\t-1\nodd\tx\nshort\n \tz\n", new DataFileOptions { NumLabels = 2 }));
        Assert.Equal(
            [
                "line 3: 'sentence' is empty",
                "line 4: label 2 is unknown, the model has the labels 0 to 1",
                "line 5: label -1 is negative",
                "line 6: label 'x' is not a whole number",
                "line 7: 1 columns where the header has 2",
                "line 8: 'sentence' is empty; label 'z' is not a whole number",
            ],
            exception.Rows.Select(row => row.ToString()));
        Assert.Contains("x.tsv' has 6 bad rows", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_BadCsvRows_NamesTheLineWhereTheyStart()
    {
        var exception = Assert.Throws<DataFormatException>(() => Read("x.csv", "text,label\n\"two\nlines\",1\nalone\na\"b,1\nempty,\n"));
        Assert.Equal([4, 5, 6], exception.Rows.Select(row => row.Line));
        Assert.Contains("a quote inside a field", exception.Rows[1].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_BadJsonLines_NamesEachWithItsLine()
    {
        var exception = Assert.Throws<DataFormatException>(() => Read("x.jsonl", "{\"text\": \"a\", \"label\": 1}\nnonsense\n[]\n{\"label\": 1}\n{\"text\": 3, \"label\": 1}\n{\"text\": \"a\", \"label\": 1.5}\n{\"text\": \"\\ud800\", \"label\": 1}\n"));
        Assert.Equal([2, 3, 4, 5, 6, 7], exception.Rows.Select(row => row.Line));
    }

    [Fact]
    public void Read_ManyBadRows_ListsTheFirst20AndCountsTheRest()
    {
        var exception = Assert.Throws<DataFormatException>(() => Read("x.tsv", "sentence\tlabel\n" + string.Concat(Enumerable.Repeat("a\tb\n", 33))));
        Assert.Equal(20, exception.Rows.Count);
        Assert.EndsWith("and 13 more", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x.tsv", "", "the file is empty")]
    [InlineData("x.csv", "", "the file is empty")]
    [InlineData("x.tsv", "sentence\tlabel\n", "no rows")]
    [InlineData("x.jsonl", "", "no rows")]
    [InlineData("x.tsv", "words\tlabel\n", "expected one of 'sentence', 'text'")]
    [InlineData("x.tsv", "sentence\ttext\tlabel\n", "expected one of")]
    [InlineData("x.csv", "sentence\n", "there is no 'label'")]
    [InlineData("x.csv", "sentence1,label\n", "'sentence1' stands alone")]
    [InlineData("x.parquet", "?", "the extension must be")]
    public void Read_BadFile_SaysWhatIsExpected(string name, string content, string expected)
    {
        var exception = Assert.Throws<DataFormatException>(() => Read(name, content));
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
        Assert.Contains(name, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_NotUtf8OrAbsent_IsRefused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder.PathOf("x.tsv"), [.. "sentence\tlabel\n"u8, 0xE9, (byte)'\t', (byte)'1']);
        Assert.Contains("not UTF-8", Assert.Throws<DataFormatException>(() => DataFile.Read(folder.PathOf("x.tsv"))).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => DataFile.Read(folder.PathOf("absent.tsv")));
    }

    [Theory]
    [InlineData("sst2/train.tsv", 67_349, false)]
    [InlineData("sst2/test.tsv", 872, false)]
    [InlineData("qnli/test.tsv", 1_063, true)]
    [InlineData("mrpc/train.tsv", 4_076, true)]
    [InlineData("imdb/test.tsv", 1_000, false)]
    public void Read_ReferenceData_HasTheStatedNumberOfRows(string file, int rows, bool pairs)
    {
        var examples = DataFile.Read(SharedData.Path(["data", .. file.Split('/')]), new DataFileOptions { NumLabels = 2 });
        Assert.Equal(rows, examples.Count);
        Assert.All(examples, example => Assert.Equal(pairs, example.TextPair is not null));
    }

    private static IReadOnlyList<TextExample> Read(string name, string content, DataFileOptions? options = null)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf(name), content);
        return DataFile.Read(folder.PathOf(name), options);
    }
}

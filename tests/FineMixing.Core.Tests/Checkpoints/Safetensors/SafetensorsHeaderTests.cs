using System.Globalization;
using System.Text;
using FineMixing.Checkpoints;
using FineMixing.Checkpoints.Safetensors;

namespace FineMixing.Tests.Checkpoints.Safetensors;

/// <summary>Hand-made attacks on the header: each is refused with a reason, the file and, where there is one, the tensor.</summary>
public class SafetensorsHeaderTests
{
    private const string A = """ "a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]} """;

    public static TheoryData<string, string, string> Attacks => new()
    {
        // Syntax.
        { "unterminated", "{", "JSON" },
        { "only white space", "   ", "JSON" },
        { "string root", "\"a\"", "an object is expected" },
        { "null root", "null", "an object is expected" },
        { "missing value", "{\"a\"}", "JSON" },
        { "single quotes", "{'a':1}", "JSON" },
        { "unescaped control", "{\"a\nb\":1}", "JSON" },
        { "bad escape", "{\"\\x\":1}", "JSON" },
        { "NaN number", "{\"a\":{\"dtype\":\"F32\",\"shape\":[NaN],\"data_offsets\":[0,4]}}", "JSON" },
        { "leading zero", "{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}", "JSON" },
        { "hexadecimal", "{\"a\":{\"dtype\":\"F32\",\"shape\":[0x1],\"data_offsets\":[0,4]}}", "JSON" },
        { "vertical tab as white space", "{\v}", "JSON" },
        { "no-break space as white space", "{\u00a0}", "JSON" },
        { "NUL before", "\0{}", "JSON" },
        { "comment after", "{} // x", "JSON" },
        { "second object", "{}{}", "JSON" },
        { "two commas far apart", "{" + A + "," + new string(' ', 100_000) + ",\"b\":{}}", "JSON" },
        { "comma and the end far apart", "{" + A + "," + new string(' ', 100_000) + "}", "JSON" },
        // Entries.
        { "entry is a number", "{\"a\":1}", "the object" },
        { "entry is null", "{\"a\":null}", "the object" },
        { "entry is empty", "{\"a\":{}}", "needs 'dtype'" },
        { "dtype is null", "{\"a\":{\"dtype\":null,\"shape\":[1],\"data_offsets\":[0,4]}}", "dtype as a string" },
        { "dtype with white space", "{\"a\":{\"dtype\":\" F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown dtype" },
        { "dtype of torch", "{\"a\":{\"dtype\":\"float32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown dtype" },
        { "shape is an object", "{\"a\":{\"dtype\":\"F32\",\"shape\":{},\"data_offsets\":[0,4]}}", "shape as an array" },
        { "shape is a number", "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", "shape as an array" },
        { "nested shape", "{\"a\":{\"dtype\":\"F32\",\"shape\":[[1]],\"data_offsets\":[0,4]}}", "unsigned integer" },
        { "minus zero", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-0,1],\"data_offsets\":[0,0]}}", "unsigned integer" },
        { "boolean dimension", "{\"a\":{\"dtype\":\"F32\",\"shape\":[true],\"data_offsets\":[0,4]}}", "unsigned integer" },
        { "dimension of 2^48", "{\"a\":{\"dtype\":\"F32\",\"shape\":[281474976710656,0],\"data_offsets\":[0,0]}}", "2^48" },
        { "product that wraps to 4 bytes", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,1],\"data_offsets\":[0,4]}}", "representable" },
        { "bits that wrap", "{\"a\":{\"dtype\":\"F64\",\"shape\":[70368744177664,32768],\"data_offsets\":[0,0]}}", "representable" },
        { "offsets as strings", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[\"0\",\"4\"]}}", "unsigned integer" },
        { "offsets empty", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[]}}", "unsigned integer" },
        { "offsets as an object", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{\"0\":4}}}", "data_offsets as an array" },
        { "size by one off", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,3]}}", "needs 4 bytes" },
        { "size of half a byte", "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", "whole" },
        { "field in other case", "{\"a\":{\"Dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown field" },
        { "field twice, once escaped", "{\"a\":{\"dtype\":\"F32\",\"d\\u0074ype\":\"I32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "twice" },
        // Names.
        { "same name twice", "{" + A + "," + A + "}", "twice" },
        { "same name escaped", "{" + A + ",\"\\u0061\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}", "twice" },
        { "lone low surrogate", "{\"\\udc00\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "Unicode" },
        { "lone surrogate in metadata", "{\"__metadata__\":{\"k\":\"\\ud800\"}," + A + "}", "Unicode" },
        { "name of 5000 bytes", "{\"" + new string('n', 5000) + "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "at most 4096" },
        { "name of 200000 bytes", "{\"" + new string('n', 200_000) + "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "4096 bytes" },
        // Placement.
        { "same data twice", "{" + A + ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "overlap" },
        { "partial overlap", "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[1,4]}}", "overlap" },
        { "gap of one", "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}", "gap" },
        { "empty tensor inside another", "{" + A + ",\"z\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}", "overlap" },
        { "data beyond the file", "{\"a\":{\"dtype\":\"U8\",\"shape\":[281474976710655],\"data_offsets\":[0,281474976710655]}}", "end at byte" },
        { "no tensors but data", "{}", "end at byte" },
        // Metadata.
        { "metadata is a string", "{\"__metadata__\":\"x\"," + A + "}", "__metadata__" },
        { "metadata is an array", "{\"__metadata__\":[\"x\"]," + A + "}", "__metadata__" },
        { "metadata value is null", "{\"__metadata__\":{\"a\":null}," + A + "}", "a string value" },
        { "metadata escaped twice", "{\"__metadata__\":{},\"\\u005f_metadata__\":{}," + A + "}", "twice" },
        { "metadata looks like a tensor", "{\"__metadata__\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "a string value" },
        { "metadata key twice", "{\"__metadata__\":{\"a\":\"1\",\"\\u0061\":\"2\"}," + A + "}", "twice" },
    };

    [Theory]
    [MemberData(nameof(Attacks))]
    public void Read_Attack_IsRefusedWithAReason(string label, string header, string reason)
    {
        var error = Assert.Throws<CheckpointFormatException>(() => SafetensorsFiles.Parse(SafetensorsFiles.File(header, 4)));
        Assert.True(error.Message.Contains(reason, StringComparison.Ordinal), $"{label}: {error.Message}");
        Assert.Equal("test.safetensors", error.File);
        Assert.NotNull(error.Offset);
        Assert.InRange(error.Message.Length, 10, 1000);
    }

    [Theory]
    [InlineData(new byte[] { 0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D })] // a byte that never occurs
    [InlineData(new byte[] { 0x7B, 0x22, 0xC0, 0xAF, 0x22, 0x3A, 0x31, 0x7D })] // an overlong slash
    [InlineData(new byte[] { 0x7B, 0x22, 0xED, 0xA0, 0x80, 0x22, 0x3A, 0x31, 0x7D })] // a surrogate
    [InlineData(new byte[] { 0x7B, 0x7D, 0xE2, 0x82 })] // cut off
    [InlineData(new byte[] { 0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00 })] // UTF-16
    public void Read_NotUtf8_IsRefused(byte[] header)
    {
        var error = Assert.Throws<CheckpointFormatException>(() => SafetensorsFiles.Parse(SafetensorsFiles.File(header, 0)));
        Assert.Contains("UTF-8", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_CharacterAcrossTheBufferBoundary_IsRead()
    {
        // The buffer has 65,536 bytes: the four bytes of the emoji are moved across its end.
        for (var padding = 65_500; padding < 65_536; padding++)
        {
            var header = new string(' ', padding) + "{\"😀é\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
            Assert.Equal("😀é", Assert.Single(SafetensorsFiles.Parse(SafetensorsFiles.File(header, 4)).Entries).Tensor.Name);
        }
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(3UL)]
    [InlineData(100_000_001UL)]
    [InlineData((ulong)long.MaxValue)]
    [InlineData(ulong.MaxValue)]
    [InlineData(ulong.MaxValue - 7)]
    public void Read_WrongHeaderLength_IsRefusedWithoutMuchMemory(ulong length)
    {
        var file = SafetensorsFiles.File("{}"u8, 0, length);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<CheckpointFormatException>(() => SafetensorsFiles.Parse(file));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
    }

    [Fact]
    public void Read_HeaderPaddedWithTwentyMegabytesOfSpaces_NeedsOneBuffer()
    {
        var spaces = new string(' ', 5_000_000);
        var file = SafetensorsFiles.File("{" + spaces + "\"a\":" + spaces + """{"dtype":"F32","shape":[1],""" + spaces + """ "data_offsets":[0,""" + spaces + "4]}}", 4);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Single(SafetensorsFiles.Parse(file).Entries);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
    }

    [Fact]
    public void Read_ShapeOfAMillionDimensions_IsRefusedEarly()
    {
        var file = SafetensorsFiles.File("""{"a":{"dtype":"F32","data_offsets":[0,0],"shape":[0""" + string.Concat(Enumerable.Repeat(",1", 1_000_000)) + "]}}", 0);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("64 dimensions", Assert.Throws<CheckpointFormatException>(() => SafetensorsFiles.Parse(file)).Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
    }

    [Fact]
    public void Read_LongMetadataValue_IsReadUpToTheLimit()
    {
        var value = new string('v', 1_000_000);
        var header = SafetensorsFiles.Parse(SafetensorsFiles.File($$$"""{"__metadata__":{"k":"{{{value}}}"}}""", 0));
        Assert.Equal(value, header.Metadata["k"]);
        var tooLong = new string('v', SafetensorsLimits.MetadataBytes + 1);
        Assert.Throws<CheckpointFormatException>(() => SafetensorsFiles.Parse(SafetensorsFiles.File($$$"""{"__metadata__":{"k":"{{{tooLong}}}"}}""", 0)));
    }

    [Fact]
    public void Read_MetadataOfManyTinyEntries_IsRefused()
    {
        var entries = string.Join(',', Enumerable.Range(0, 300_000).Select(i => string.Create(CultureInfo.InvariantCulture, $"\"{i}\":\"\"")));
        Assert.Throws<CheckpointFormatException>(() => SafetensorsFiles.Parse(SafetensorsFiles.File($$$"""{"__metadata__":{ {{{entries}}} }}""", 0)));
    }

    [Fact]
    public void Read_MoreTensorsThanAllowed_IsRefused()
    {
        var header = new StringBuilder("{");
        for (var i = 0; i <= SafetensorsLimits.Tensors; i++)
            header.Append(CultureInfo.InvariantCulture, $"{(i == 0 ? "" : ",")}\"{i}\":{{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        var error = Assert.Throws<CheckpointFormatException>(() => SafetensorsFiles.Parse(SafetensorsFiles.File(header.Append('}').ToString(), 0)));
        Assert.Contains("more than 500000 tensors", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_EveryDType_IsKnown()
    {
        foreach (var dtype in Enum.GetValues<DType>())
        {
            var bytes = dtype.BitSize();
            var header = $$$"""{"a":{"dtype":"{{{dtype.SafetensorsName()}}}","shape":[2,4],"data_offsets":[0,{{{bytes}}}]}}""";
            Assert.Equal(dtype, Assert.Single(SafetensorsFiles.Parse(SafetensorsFiles.File(header, bytes)).Entries).Tensor.DType);
        }
    }

    [Fact]
    public void Read_UnorderedEntries_AreInTheOrderOfTheirData()
    {
        var header = SafetensorsFiles.Parse(SafetensorsFiles.File(
            """{"b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 4));
        Assert.Equal(["a", "b"], header.Entries.Select(e => e.Tensor.Name));
        Assert.Equal([header.DataOffset, header.DataOffset + 1], header.Entries.Select(e => e.FileOffset));
    }

    [Fact]
    public void Read_StreamShorterThanSaid_IsRefused()
    {
        var file = SafetensorsFiles.File("{" + A + "}", 4);
        for (var length = 0; length < file.Length - 4; length++)
            Assert.Throws<CheckpointFormatException>(() => SafetensorsHeader.Read(new MemoryStream(file, 0, length), file.Length));
    }
}

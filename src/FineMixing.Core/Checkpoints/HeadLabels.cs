using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FineMixing.Checkpoints;

/// <summary>Makes a <c>config.json</c> name as many classes as the head beside it has: an adapter brings a head of its own, of which its base's configuration knows nothing.</summary>
internal static class HeadLabels
{
    private const long LargestConfig = 1 << 24;
    private const int MostClasses = 100_000;
    private static readonly JsonSerializerOptions _json = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The file with one label for each class; null where it can stay as it is.</summary>
    /// <param name="path">A <c>config.json</c>.</param>
    /// <param name="tensors">The weights beside it; the head is <c>classifier.weight</c> or <c>score.weight</c>, [classes, hidden].</param>
    public static byte[]? Adapt(string path, IEnumerable<TensorInfo> tensors)
    {
        var head = tensors.FirstOrDefault(t => t.Name is "classifier.weight" or "score.weight" && t.Shape.Length == 2);
        if (head is null || head.Shape[0] is < 1 or > MostClasses || new FileInfo(path).Length is 0 or > LargestConfig)
            return null;
        try
        {
            return JsonNode.Parse(File.ReadAllBytes(path)) is JsonObject config ? Adapt(config, (int)head.Shape[0]) : null;
        }
        catch (JsonException)
        {
            // Not for us to judge: it is copied like any other file.
            return null;
        }
    }

    /// <summary>Writes the names of the classes, by index, into a configuration.</summary>
    public static void Set(JsonObject config, IReadOnlyList<string> labels)
    {
        config.Remove("num_labels");
        config["id2label"] = new JsonObject([.. labels.Select((l, i) => KeyValuePair.Create<string, JsonNode?>(Text(i), l))]);
        config["label2id"] = new JsonObject([.. labels.Select((l, i) => KeyValuePair.Create<string, JsonNode?>(l, i)).DistinctBy(p => p.Key)]);
    }

    private static byte[]? Adapt(JsonObject config, int classes)
    {
        var names = config["id2label"] as JsonObject;
        if (classes == (names?.Count ?? (config["num_labels"] is JsonValue number && number.TryGetValue<int>(out var count) ? count : 2)))
            return null;
        string[] labels = [.. Enumerable.Range(0, classes).Select(i => names?[Text(i)] is JsonValue name && name.TryGetValue<string>(out var text) ? text : "LABEL_" + Text(i))];
        Set(config, labels);
        return [.. JsonSerializer.SerializeToUtf8Bytes(config, _json), (byte)'\n'];
    }

    private static string Text(int index) => index.ToString(CultureInfo.InvariantCulture);
}

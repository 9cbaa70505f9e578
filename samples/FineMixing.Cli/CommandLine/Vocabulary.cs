using System.Text.Json;
using FineMixing.Tokenization;

namespace FineMixing.Cli.CommandLine;

/// <summary>The tokens of a model folder by id, whatever the kind of its tokenizer.</summary>
internal static class Vocabulary
{
    public static IReadOnlyDictionary<int, string> Read(string folder)
    {
        var path = Path.Combine(folder, "tokenizer.json");
        if (File.Exists(path) && ReadOther(path) is { } other)
            return other;
        var wordPieces = WordPieceTokenizer.FromFolder(folder);
        return Enumerable.Range(0, wordPieces.VocabularySize).ToDictionary(id => id, wordPieces.TokenOf);
    }

    // Byte pairs are an object from token to id, Unigram a list of token and score; null for word pieces, which have a reader of their own.
    private static Dictionary<int, string>? ReadOther(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            using var json = JsonDocument.Parse(file);
            var model = json.RootElement.GetProperty("model");
            if (!model.TryGetProperty("type", out var type) || type.GetString() == "WordPiece")
                return null;
            var vocabulary = model.GetProperty("vocab");
            var tokens = vocabulary.ValueKind == JsonValueKind.Array
                ? vocabulary.EnumerateArray().Select((entry, id) => (id, token: entry[0].GetString()!)).ToDictionary(t => t.id, t => t.token)
                : vocabulary.EnumerateObject().ToDictionary(t => t.Value.GetInt32(), t => t.Name);
            foreach (var added in json.RootElement.TryGetProperty("added_tokens", out var list) ? list.EnumerateArray().ToArray() : [])
                tokens[added.GetProperty("id").GetInt32()] = added.GetProperty("content").GetString()!;
            return tokens;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException or IndexOutOfRangeException)
        {
            throw new CommandFailedException($"'{path}' cannot be understood: {error.Message}");
        }
    }
}

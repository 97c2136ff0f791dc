#include "crt.h"
// From SDL.h.
typedef struct SDL_Window SDL_Window;
typedef struct SDL_Renderer SDL_Renderer;
typedef struct { int x, y, w, h; } SDL_Rect;
__declspec(dllimport) int SDL_Init(unsigned);
__declspec(dllimport) const char *SDL_GetError(void);
__declspec(dllimport) SDL_Window *SDL_CreateWindow(const char *, int, int, int, int, unsigned);
__declspec(dllimport) SDL_Renderer *SDL_CreateRenderer(SDL_Window *, int, unsigned);
__declspec(dllimport) int SDL_SetRenderDrawColor(SDL_Renderer *, unsigned char, unsigned char, unsigned char, unsigned char);
__declspec(dllimport) int SDL_RenderClear(SDL_Renderer *);
__declspec(dllimport) int SDL_RenderFillRect(SDL_Renderer *, const SDL_Rect *);
__declspec(dllimport) void SDL_RenderPresent(SDL_Renderer *);
__declspec(dllimport) void SDL_PumpEvents(void);
__declspec(dllimport) void SDL_Delay(unsigned);
__declspec(dllimport) void SDL_Quit(void);
__declspec(dllimport) int SDL_RenderReadPixels(SDL_Renderer *, const SDL_Rect *, unsigned, void *, int);
int SDL_main(int argc, char *argv[]) {
    if (SDL_Init(0x20)) { printf("init: %s\n", SDL_GetError()); return 1; }
    SDL_Window *window = SDL_CreateWindow("linkjit", 0, 0, 320, 200, 4);
    SDL_Renderer *renderer = SDL_CreateRenderer(window, -1, 1);
    if (!renderer) { printf("renderer: %s\n", SDL_GetError()); return 1; }
    for (int i = 0; i < 600; i++) {
        SDL_PumpEvents();
        SDL_SetRenderDrawColor(renderer, 0, 0, 255, 255);
        SDL_RenderClear(renderer);
        SDL_SetRenderDrawColor(renderer, 255, 0, 0, 255);
        SDL_Rect rect = {100, 50, 120, 100};
        SDL_RenderFillRect(renderer, &rect);
        SDL_RenderPresent(renderer);
        SDL_Delay(100);
    }
    puts("drawn");
    SDL_Quit();
    return 0;
}
